# Every function of the catalogue: a new one is an entry in functions.json and nothing else.

module "catalogue" {
  source = "./modules/catalogue"

  overrides     = var.functions
  query_runtime = var.query_runtime
}

locals {
  functions = module.catalogue.functions

  settings = merge(
    {
      LOG_EXPIRY_H    = tostring(var.log_expiry_h)
      QUEUE_SHARDS    = tostring(var.queue_shards)
      TRUSTED_PROXIES = join(",", local.balancer_cidrs)
    },
    var.settings,
  )
  # A secret each: what a function has no use for, it cannot read.
  secrets = {
    for name, function in local.functions : name => merge(
      function.database == null ? {} : { DATABASE_URL = local.database_url_secrets[function.database] },
      function.database == "query" && local.reads_from_replica ? { DATABASE_READ_URL = local.database_url_secrets["read"] } : {},
      function.redis ? { REDIS_URL = local.redis_url_secret } : {},
      { for setting, arn in var.secret_arns : setting => arn if contains(function.secrets, setting) },
    )
  }
  reaches = {
    for name, function in local.functions : name => merge(
      function.database == null ? {} : { PostgreSQL = local.database_access },
      function.redis ? { Redis = local.redis_access } : {},
    )
  }
  priorities = flatten([for function in module.function : [for rule in function.rules : rule.priority]])
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  deployment         = var.name
  name               = each.key
  definition         = each.value
  image              = "${var.image_prefix}${each.key}:${var.image_tag}"
  architecture       = var.architecture
  environment        = local.settings
  secrets            = local.secrets[each.key]
  kms_key_arns       = concat([aws_kms_key.main.arn], var.secret_kms_key_arns)
  log_key_arn        = aws_kms_key.main.arn
  log_retention_days = var.log_retention_days
  collector_image    = var.collector_image
  reaches            = local.reaches[each.key]
  sidecar            = each.key == "migrate" ? local.roles_sidecar : null

  cluster  = { arn = aws_ecs_cluster.main.arn, name = aws_ecs_cluster.main.name }
  network  = local.network
  balancer = { listener_arn = aws_lb_listener.https.arn, security_group_id = aws_security_group.balancer.id }
}

resource "aws_ecs_cluster" "main" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}
