# A task that EventBridge Scheduler starts again and again; its jobs are the same task with other arguments.

locals {
  schedules = {
    for name, job in merge(
      { (local.full_name) = { command = null, schedule = var.definition.schedule } },
      { for job, definition in var.definition.jobs : "${local.full_name}-${job}" => definition },
    ) : name => job if var.definition.runtime == "schedule"
  }
}

data "aws_iam_policy_document" "schedule_assume" {
  count = var.definition.runtime == "schedule" ? 1 : 0

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  count = var.definition.runtime == "schedule" ? 1 : 0

  statement {
    sid       = "Start"
    actions   = ["ecs:RunTask"]
    resources = ["${aws_ecs_task_definition.function[0].arn_without_revision}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [var.cluster.arn]
    }
  }
  statement {
    sid       = "HandOverRoles"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.start.arn, aws_iam_role.run[0].arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
  statement {
    sid       = "ReadItself"
    actions   = ["kms:Decrypt"]
    resources = [var.log_key_arn]
  }
}

resource "aws_iam_role" "schedule" {
  count = var.definition.runtime == "schedule" ? 1 : 0

  name               = "${local.full_name}-schedule"
  description        = "Starts tasks of ${var.name} on their schedule"
  assume_role_policy = data.aws_iam_policy_document.schedule_assume[0].json
}

resource "aws_iam_role_policy" "schedule" {
  count = var.definition.runtime == "schedule" ? 1 : 0

  name   = "schedule"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule[0].json
}

resource "aws_scheduler_schedule" "function" {
  for_each = local.schedules

  name                = each.key
  description         = join(" ", concat(["Runs ${var.name}"], coalesce(each.value.command, [])))
  schedule_expression = each.value.schedule
  kms_key_arn         = var.log_key_arn

  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = var.cluster.arn
    role_arn = aws_iam_role.schedule[0].arn
    input = each.value.command == null ? null : jsonencode({
      containerOverrides = [{ name = var.name, command = each.value.command }]
    })

    ecs_parameters {
      launch_type         = "FARGATE"
      task_definition_arn = aws_ecs_task_definition.function[0].arn

      network_configuration {
        subnets          = var.network.private_subnet_ids
        security_groups  = [aws_security_group.function.id]
        assign_public_ip = false
      }
    }
    # The next run is soon enough.
    retry_policy {
      maximum_retry_attempts = 0
    }
  }
}
