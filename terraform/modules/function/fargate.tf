# A task of the cluster, and the service that keeps it running, where it is one.

locals {
  container = {
    name                   = var.name
    image                  = var.image
    essential              = var.sidecar == null
    readonlyRootFilesystem = true
    stopTimeout            = local.stop_timeout_s
    environment            = [for name, value in local.environment : { name = name, value = value }]
    secrets                = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
    portMappings           = local.is_service ? [{ containerPort = local.port, protocol = "tcp" }] : []
    ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    logConfiguration       = local.log_of[var.name]
  }
  health_check = {
    healthCheck = { command = ["CMD", "/healthy"], interval = 10, timeout = 5, retries = 3, startPeriod = 10 }
  }
  # The collector follows the function: without metrics it still answers, so it is not essential.
  collector = {
    name                   = "collector"
    image                  = var.collector_image
    essential              = false
    readonlyRootFilesystem = true
    environment = [{
      name = "AOT_CONFIG_CONTENT"
      value = templatefile("${path.module}/collector.yaml", {
        function  = var.name
        namespace = var.deployment
        log_group = try(aws_cloudwatch_log_group.metrics[0].name, "")
        metrics   = var.definition.metrics
        region    = data.aws_region.current.region
      })
    }]
    linuxParameters  = { capabilities = { drop = ["ALL"] } }
    logConfiguration = local.log_of["collector"]
  }
  sidecar = {
    name                   = try(var.sidecar.name, "")
    image                  = try(var.sidecar.image, "")
    essential              = true
    readonlyRootFilesystem = true
    secrets                = [for name, arn in try(coalesce(var.sidecar.secrets), {}) : { name = name, valueFrom = arn }]
    dependsOn              = [{ containerName = var.name, condition = "SUCCESS" }]
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    logConfiguration       = local.log_of["sidecar"]
  }
  log_of = {
    for container in [var.name, "collector", "sidecar"] : container => {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.function.name
        awslogs-region        = data.aws_region.current.region
        awslogs-stream-prefix = container
      }
    }
  }
}

resource "aws_ecs_task_definition" "function" {
  count = local.in_cluster ? 1 : 0

  family                   = local.full_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.definition.cpu
  memory                   = var.definition.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.run[0].arn
  container_definitions = jsonencode(concat(
    [merge(local.container, { for key, value in local.health_check : key => value if local.is_service })],
    [for container in [local.collector] : container if local.publishes],
    [for container in [local.sidecar] : container if var.sidecar != null],
  ))

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }
}

resource "aws_ecs_service" "function" {
  count = local.is_service ? 1 : 0

  name                          = var.name
  cluster                       = var.cluster.arn
  task_definition               = aws_ecs_task_definition.function[0].arn
  desired_count                 = var.definition.scaling.min
  launch_type                   = "FARGATE"
  propagate_tags                = "SERVICE"
  availability_zone_rebalancing = "ENABLED"
  # New tasks answer before old ones end.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = local.is_routed ? 30 : null

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = var.network.private_subnet_ids
    security_groups  = [aws_security_group.function.id]
    assign_public_ip = false
  }
  dynamic "load_balancer" {
    for_each = aws_lb_target_group.function

    content {
      target_group_arn = load_balancer.value.arn
      container_name   = var.name
      container_port   = local.port
    }
  }

  # A target group is ready for a service only once the balancer knows it.
  depends_on = [aws_lb_listener_rule.function, aws_iam_role_policy.start]

  lifecycle {
    ignore_changes = [desired_count]
  }
}
