# The same image on Lambda: the Lambda Web Adapter inside it turns events into requests. Lambda knows no secrets, so their
# values become encrypted settings, which the state of this deployment holds, too.

data "aws_secretsmanager_secret_version" "secret" {
  for_each = local.is_lambda ? var.secrets : {}

  secret_id = each.value
}

resource "aws_lambda_function" "function" {
  #checkov:skip=CKV_AWS_272:code signing does not exist for images
  #checkov:skip=CKV_AWS_116:the balancer waits for the answer; there is no event that could be lost
  #checkov:skip=CKV_AWS_50:a trace would show one span, the answer's time, which the balancer's metrics show already
  count = local.is_lambda ? 1 : 0

  function_name = local.full_name
  description   = "The function ${var.name}"
  role          = aws_iam_role.start.arn
  package_type  = "Image"
  image_uri     = var.image
  architectures = [var.architecture]
  memory_size   = var.definition.memory
  timeout       = 30
  kms_key_arn   = var.log_key_arn
  # Each holds a connection to PostgreSQL.
  reserved_concurrent_executions = var.definition.scaling.max

  environment {
    variables = merge(
      # Below the megabyte that a balancer takes from Lambda, even where it travels as base64.
      { MAX_RESPONSE_BYTES = "700000", DB_POOL_SIZE = "1" },
      local.environment,
      { for name, secret in data.aws_secretsmanager_secret_version.secret : name => secret.secret_string },
      {
        PORT                         = tostring(local.port)
        AWS_LWA_PORT                 = tostring(local.port)
        AWS_LWA_READINESS_CHECK_PATH = "/healthz"
      },
    )
  }
  vpc_config {
    subnet_ids         = var.network.private_subnet_ids
    security_group_ids = [aws_security_group.function.id]
  }
  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  depends_on = [aws_iam_role_policy.start]
}

resource "aws_lambda_permission" "balancer" {
  count = local.is_lambda ? 1 : 0

  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function[0].function_name
  principal      = "elasticloadbalancing.amazonaws.com"
  source_arn     = aws_lb_target_group.function[0].arn
  source_account = data.aws_caller_identity.current.account_id
}

resource "aws_lb_target_group_attachment" "lambda" {
  count = local.is_lambda ? 1 : 0

  target_group_arn = aws_lb_target_group.function[0].arn
  target_id        = aws_lambda_function.function[0].arn

  depends_on = [aws_lambda_permission.balancer]
}
