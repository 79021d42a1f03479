output "security_group_id" {
  description = "Security group that the function runs in."
  value       = aws_security_group.function.id
}

output "task_definition" {
  description = "Family of its tasks; null on Lambda."
  value       = one(aws_ecs_task_definition.function[*].family)
}

output "log_group" {
  description = "Name of its log group."
  value       = aws_cloudwatch_log_group.function.name
}

output "rules" {
  description = "What the balancer sends to it: priority and paths of each rule."
  value       = local.rules
}
