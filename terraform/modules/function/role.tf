# What starts the function may read its image, write its logs, and read its secrets; the function itself may do nothing
# in AWS, but for the collector beside it, which writes metrics.

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [local.is_lambda ? "lambda.amazonaws.com" : "ecs-tasks.amazonaws.com"]
    }
    # Lambda does not say for whom it asks.
    dynamic "condition" {
      for_each = local.in_cluster ? [1] : []

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [data.aws_caller_identity.current.account_id]
      }
    }
  }
}

data "aws_iam_policy_document" "start" {
  #checkov:skip=CKV_AWS_356:AWS takes no resource for ecr:GetAuthorizationToken and for the network interfaces of a Lambda function
  #checkov:skip=CKV_AWS_111:the network interfaces of a Lambda function have no name before they exist; AWS' own policy for it allows the same
  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }
  dynamic "statement" {
    for_each = local.in_cluster ? [1] : []

    content {
      sid       = "RegistryToken"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }
  dynamic "statement" {
    for_each = local.in_cluster ? [1] : []

    content {
      sid       = "Image"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = ["arn:${data.aws_partition.current.partition}:ecr:*:*:repository/*"]
    }
  }
  dynamic "statement" {
    for_each = local.in_cluster && length(local.secret_arns) > 0 ? [1] : []

    content {
      sid       = "Secrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.secret_arns
    }
  }
  dynamic "statement" {
    for_each = local.in_cluster && length(local.secret_arns) > 0 ? [1] : []

    content {
      sid       = "SecretKeys"
      actions   = ["kms:Decrypt"]
      resources = var.kms_key_arns
    }
  }
  dynamic "statement" {
    for_each = local.is_lambda ? [1] : []

    content {
      sid       = "NetworkInterfaces"
      actions   = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role" "start" {
  name               = "${local.full_name}-start"
  description        = "Starts the function ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}

resource "aws_iam_role" "run" {
  count = local.in_cluster ? 1 : 0

  name               = "${local.full_name}-run"
  description        = "What the function ${var.name} may do in AWS"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "metrics" {
  count = local.publishes ? 1 : 0

  statement {
    sid       = "Metrics"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.metrics[0].arn}:*"]
  }
}

resource "aws_iam_role_policy" "metrics" {
  count = local.publishes && local.in_cluster ? 1 : 0

  name   = "metrics"
  role   = aws_iam_role.run[0].id
  policy = data.aws_iam_policy_document.metrics[0].json
}
