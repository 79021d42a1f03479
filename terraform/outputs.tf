output "host" {
  description = "Name of the balancer: point your host name, which the certificate is for, at it (CNAME or alias)."
  value       = aws_lb.main.dns_name
}

output "host_zone_id" {
  description = "Route 53 zone of that name, for an alias record."
  value       = aws_lb.main.zone_id
}

output "migrate_command" {
  description = "Command that brings the database to the newest schema; run it before functions of a new version start."
  value = join(" ", [
    "aws ecs run-task --cluster ${aws_ecs_cluster.main.name} --launch-type FARGATE",
    "--task-definition ${module.function["migrate"].task_definition}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", local.network.private_subnet_ids)}],securityGroups=[${module.function["migrate"].security_group_id}],assignPublicIp=DISABLED}'",
  ])
}

output "log_groups" {
  description = "Log group of each function."
  value       = { for name, function in module.function : name => function.log_group }
}

output "routes" {
  description = "What the balancer sends to each function: priority and paths of each rule."
  value       = { for name, function in module.function : name => function.rules if length(function.rules) > 0 }

  precondition {
    condition     = length(local.priorities) == length(distinct(local.priorities))
    error_message = "Two rules of the balancer have the same priority by chance: rename a placeholder, such as {id}, in a route of one of them."
  }
}

output "security_group_ids" {
  description = "Security group of each function, of the balancer, and of what was made or given for the database and Redis."
  value = merge(
    { for name, function in module.function : name => function.security_group_id },
    {
      balancer = aws_security_group.balancer.id
      database = local.database_access.security_group_id
      redis    = local.redis_access.security_group_id
    },
  )
}

output "kms_key_arn" {
  description = "Key that data, secrets and logs are encrypted with."
  value       = aws_kms_key.main.arn
}
