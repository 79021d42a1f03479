# One function, whatever its runtime. What all runtimes share is here and in role.tf, network.tf and routes.tf; what is
# one runtime's own is in fargate.tf, schedule.tf and lambda.tf.

data "aws_region" "current" {}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  full_name = "${var.deployment}-${var.name}"
  port      = 8080
  # Enough for ws-ingest to hand over what it has read; Fargate allows no more.
  stop_timeout_s = 120

  is_service = var.definition.runtime == "fargate"
  is_lambda  = var.definition.runtime == "lambda"
  in_cluster = !local.is_lambda
  is_routed  = length(concat(var.definition.routes, var.definition.upgrades)) > 0
  publishes  = length(var.definition.metrics) > 0

  environment = merge(var.environment, var.definition.environment)
  # All secrets of the task: the sidecar's role is the task's.
  secret_arns = distinct(concat(values(var.secrets), values(try(coalesce(var.sidecar.secrets), {}))))
}

resource "aws_cloudwatch_log_group" "function" {
  name              = local.is_lambda ? "/aws/lambda/${local.full_name}" : "/${var.deployment}/${var.name}"
  kms_key_id        = var.log_key_arn
  retention_in_days = var.log_retention_days
}

# Metrics travel as log lines (CloudWatch's embedded metric format).
resource "aws_cloudwatch_log_group" "metrics" {
  count = local.publishes ? 1 : 0

  name              = "/${var.deployment}/${var.name}/metrics"
  kms_key_id        = var.log_key_arn
  retention_in_days = var.log_retention_days
}
