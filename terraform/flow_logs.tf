# Who spoke to whom in the VPC that is made.

resource "aws_cloudwatch_log_group" "flow" {
  count = var.network == null ? 1 : 0

  name              = "/${var.name}/flow"
  kms_key_id        = aws_kms_key.main.arn
  retention_in_days = var.log_retention_days
}

data "aws_iam_policy_document" "flow_assume" {
  count = var.network == null ? 1 : 0

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["vpc-flow-logs.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "flow" {
  count = var.network == null ? 1 : 0

  statement {
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.flow[0].arn}:*"]
  }
}

resource "aws_iam_role" "flow" {
  count = var.network == null ? 1 : 0

  name               = "${var.name}-flow"
  description        = "Writes the flow logs of the VPC"
  assume_role_policy = data.aws_iam_policy_document.flow_assume[0].json
}

resource "aws_iam_role_policy" "flow" {
  count = var.network == null ? 1 : 0

  name   = "flow"
  role   = aws_iam_role.flow[0].id
  policy = data.aws_iam_policy_document.flow[0].json
}

resource "aws_flow_log" "main" {
  count = var.network == null ? 1 : 0

  vpc_id          = aws_vpc.main[0].id
  traffic_type    = "REJECT"
  iam_role_arn    = aws_iam_role.flow[0].arn
  log_destination = aws_cloudwatch_log_group.flow[0].arn
}
