# As many tasks as the entry's metric asks for, between its min and max. Tasks that hold WebSockets end slowly, so scaling
# in waits longer than scaling out.

resource "aws_appautoscaling_target" "function" {
  count = local.is_service ? 1 : 0

  service_namespace  = "ecs"
  resource_id        = "service/${var.cluster.name}/${aws_ecs_service.function[0].name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.definition.scaling.min
  max_capacity       = var.definition.scaling.max
}

resource "aws_appautoscaling_policy" "function" {
  count = local.is_service ? 1 : 0

  name               = var.definition.scaling.metric
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.function[0].service_namespace
  resource_id        = aws_appautoscaling_target.function[0].resource_id
  scalable_dimension = aws_appautoscaling_target.function[0].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.definition.scaling.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    dynamic "predefined_metric_specification" {
      for_each = var.definition.scaling.metric == "cpu" ? [1] : []

      content {
        predefined_metric_type = "ECSServiceAverageCPUUtilization"
      }
    }
    # The average over the tasks, each of which reports its own.
    dynamic "customized_metric_specification" {
      for_each = var.definition.scaling.metric == "cpu" ? [] : [1]

      content {
        namespace   = var.deployment
        metric_name = var.definition.scaling.metric
        statistic   = "Average"

        dimensions {
          name  = "function"
          value = var.name
        }
      }
    }
  }
}
