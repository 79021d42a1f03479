# What one function gets on each runtime, and what it may do.

mock_provider "aws" {
  source = "./tests/mocks"

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/tetcore/any" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/any" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn_without_revision = "arn:aws:ecs:eu-central-1:123456789012:task-definition/any" }
  }
}

variables {
  deployment         = "tetcore"
  image              = "registry.example/tetcore/any:1.0.0"
  architecture       = "arm64"
  environment        = { LOG_EXPIRY_H = "24" }
  kms_key_arns       = ["arn:aws:kms:eu-central-1:123456789012:key/any"]
  log_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/any"
  log_retention_days = 30
  collector_image    = "registry.example/collector:1"
  cluster            = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/tetcore", name = "tetcore" }
  network            = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"] }
  balancer           = { listener_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/any", security_group_id = "sg-balancer" }
}

run "a_service" {
  module {
    source = "./modules/function"
  }
  variables {
    name    = "ws-ingest"
    secrets = { REDIS_URL = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redis" }
    reaches = { Redis = { security_group_id = "sg-redis", port = 6379 } }
    definition = {
      runtime     = "fargate"
      routes      = ["/", "/audit"]
      upgrades    = ["/{token}", "/{token}/audit"]
      metrics     = ["ingest_connections"]
      cpu         = 1024
      memory      = 2048
      environment = { SHUTDOWN_TIMEOUT_S = "100" }
      scaling     = { min = 2, max = 20, metric = "ingest_connections", target = 5000 }
    }
  }

  assert {
    condition     = length(aws_ecs_service.function) == 1 && length(aws_lambda_function.function) == 0 && length(aws_scheduler_schedule.function) == 0
    error_message = "A service was expected, and nothing else."
  }
  assert {
    condition = jsonencode({
      for key, value in jsondecode(aws_ecs_task_definition.function[0].container_definitions)[0] : key => value
      if contains(["environment", "healthCheck", "readonlyRootFilesystem", "secrets", "stopTimeout"], key)
      }) == jsonencode({
      environment            = [{ name = "LOG_EXPIRY_H", value = "24" }, { name = "SHUTDOWN_TIMEOUT_S", value = "100" }]
      healthCheck            = { command = ["CMD", "/healthy"], interval = 10, retries = 3, startPeriod = 10, timeout = 5 }
      readonlyRootFilesystem = true
      secrets                = [{ name = "REDIS_URL", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redis" }]
      stopTimeout            = 120
    })
    error_message = "Its container is ${jsonencode(jsondecode(aws_ecs_task_definition.function[0].container_definitions)[0])}."
  }
  assert {
    condition = (
      yamldecode(jsondecode(aws_ecs_task_definition.function[0].container_definitions)[1].environment[0].value)
      .exporters.awsemf.metric_declarations[0].metric_name_selectors[0] == "^(ingest_connections)$"
    )
    error_message = "The collector must publish the metrics of the entry."
  }
  assert {
    condition     = aws_appautoscaling_policy.function[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metric_name == "ingest_connections"
    error_message = "It must scale by its connections."
  }
  assert {
    condition = jsonencode({
      for statement in data.aws_iam_policy_document.start.statement : statement.sid => sort(statement.resources)
      }) == jsonencode({
      Image         = ["arn:aws:ecr:*:*:repository/*"]
      Logs          = ["arn:aws:logs:eu-central-1:123456789012:log-group:/tetcore/any:*"]
      RegistryToken = ["*"]
      SecretKeys    = ["arn:aws:kms:eu-central-1:123456789012:key/any"]
      Secrets       = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:redis"]
    })
    error_message = "What starts it may do more or less than it needs."
  }
  assert {
    condition     = jsonencode(data.aws_iam_policy_document.metrics[0].statement[*].sid) == jsonencode(["Metrics"])
    error_message = "The function itself may write metrics, and nothing else."
  }
  assert {
    condition = jsonencode([
      for rule in aws_vpc_security_group_egress_rule.to : [rule.referenced_security_group_id, rule.from_port]
    ]) == jsonencode([["sg-redis", 6379]])
    error_message = "It must reach Redis, and no database."
  }
  assert {
    condition     = length(aws_lb_listener_rule.function) == 2 && alltrue([for rule in output.rules : rule.upgrade == (rule.priority > 40000)])
    error_message = "WebSockets of any path must come after all routes."
  }
}

run "an_answer_on_lambda" {
  module {
    source = "./modules/function"
  }
  variables {
    name    = "query-peer-reputation"
    secrets = { DATABASE_URL = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:query" }
    reaches = { PostgreSQL = { security_group_id = "sg-database", port = 5432 } }
    definition = {
      runtime     = "lambda"
      routes      = ["/reputation/{peer_id}", "/reputation/logged", "/reputation"]
      upgrades    = []
      metrics     = []
      cpu         = 256
      memory      = 512
      environment = {}
      scaling     = { min = 1, max = 6, metric = "cpu", target = 60 }
    }
  }

  assert {
    condition     = length(aws_lambda_function.function) == 1 && length(aws_ecs_task_definition.function) == 0
    error_message = "A Lambda function was expected, and no task."
  }
  assert {
    condition = jsonencode(aws_lambda_function.function[0].environment[0].variables) == jsonencode({
      AWS_LWA_PORT                 = "8080"
      AWS_LWA_READINESS_CHECK_PATH = "/healthz"
      DATABASE_URL                 = "a secret"
      DB_POOL_SIZE                 = "1"
      LOG_EXPIRY_H                 = "24"
      MAX_RESPONSE_BYTES           = "700000"
      PORT                         = "8080"
    })
    error_message = "Its settings must be those of the deployment, its secrets, and what the adapter needs."
  }
  assert {
    condition     = length([for statement in data.aws_iam_policy_document.start.statement : 1 if statement.sid == "Secrets"]) == 0
    error_message = "It needs no access to secrets."
  }
  assert {
    condition = jsonencode({
      for rule in output.rules : join(" ", rule.paths) => rule.priority <= 20000
      }) == jsonencode({
      "/reputation /reputation/ /reputation/logged /reputation/logged/" = true
      "/reputation/* /reputation/*/"                                    = false
    })
    error_message = "Exact routes must come before those with a placeholder: ${jsonencode(output.rules)}."
  }
}

run "a_schedule" {
  module {
    source = "./modules/function"
  }
  variables {
    name    = "purge-job"
    secrets = { DATABASE_URL = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner" }
    reaches = {}
    definition = {
      runtime     = "schedule"
      routes      = []
      upgrades    = []
      schedule    = "rate(10 minutes)"
      jobs        = { compact = { command = ["compact"], schedule = "rate(1 hour)" } }
      metrics     = []
      cpu         = 256
      memory      = 512
      environment = {}
      scaling     = { min = 1, max = 1, metric = "cpu", target = 60 }
    }
  }

  assert {
    condition = jsonencode({
      for name, schedule in aws_scheduler_schedule.function : name => [
        schedule.schedule_expression, try(jsondecode(schedule.target[0].input), "as it is")
      ]
      }) == jsonencode({
      tetcore-purge-job         = ["rate(10 minutes)", "as it is"]
      tetcore-purge-job-compact = ["rate(1 hour)", { containerOverrides = [{ name = "purge-job", command = ["compact"] }] }]
    })
    error_message = "The task as it is, and as its job, was expected, each on its schedule."
  }
  assert {
    condition     = length(aws_ecs_service.function) == 0
    error_message = "No service was expected."
  }
  assert {
    condition     = jsonencode(data.aws_iam_policy_document.schedule[0].statement[*].actions) == jsonencode([["ecs:RunTask"], ["iam:PassRole"], ["kms:Decrypt"]])
    error_message = "The schedule may start this task, and nothing else."
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.from_balancer) == 0
    error_message = "Nobody may connect to it."
  }
}

run "a_task_with_another_after_it" {
  module {
    source = "./modules/function"
  }
  variables {
    name    = "migrate"
    secrets = { DATABASE_URL = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner" }
    reaches = {}
    sidecar = {
      name    = "roles"
      image   = "registry.example/tetcore/roles:1.0.0"
      secrets = { FLUSH_URL = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:flush" }
    }
    definition = {
      runtime     = "once"
      routes      = []
      upgrades    = []
      metrics     = []
      cpu         = 256
      memory      = 512
      environment = {}
      scaling     = { min = 1, max = 1, metric = "cpu", target = 60 }
    }
  }

  assert {
    condition = jsonencode([
      for container in jsondecode(aws_ecs_task_definition.function[0].container_definitions) : [container.name, container.essential, try(container.dependsOn[0].condition, "")]
    ]) == jsonencode([["migrate", false, ""], ["roles", true, "SUCCESS"]])
    error_message = "The second container must start after the first has ended well, and end the task."
  }
  assert {
    condition     = length(aws_ecs_service.function) == 0 && length(aws_scheduler_schedule.function) == 0
    error_message = "It must start when it is asked to, and not before."
  }
}
