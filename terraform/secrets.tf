# The URLs that functions connect with, a secret for each role: whoever reads one cannot become another.

locals {
  # What is made here; what is given has its secrets already.
  made_urls = toset(concat(
    local.own_database ? ["owner", "flush", "query", "admin"] : [],
    local.own_database && local.reads_from_replica ? ["read"] : [],
    local.own_redis ? ["redis"] : [],
  ))

  database_host = one(aws_db_instance.main[*].address)
  replica_hosts = join(",", [for replica in aws_db_instance.replica : "${replica.address}:5432"])
  # The images bring the certificates of RDS' authorities.
  database_options = "sslmode=verify-full&sslrootcert=/etc/ssl/certs/rds.pem"
  redis_host = one([
    for group in aws_elasticache_replication_group.main :
    local.cluster ? group.configuration_endpoint_address : group.primary_endpoint_address
  ])

  url = merge(
    {
      owner = "postgres://tetcore:${local.password["owner"]}@${local.database_host != null ? local.database_host : ""}:5432/tetcore?${local.database_options}"
      read  = "postgres://tetcore_query:${local.password["query"]}@${local.replica_hosts}/tetcore?${local.database_options}&load_balance_hosts=random"
      redis = "rediss://:${local.password["redis"]}@${local.redis_host != null ? local.redis_host : ""}:6379"
    },
    {
      for role in ["flush", "query", "admin"] :
      role => "postgres://tetcore_${role}:${local.password[role]}@${local.database_host != null ? local.database_host : ""}:5432/tetcore?${local.database_options}"
    },
  )

  database_url_secrets = local.own_database ? {
    for use in ["owner", "flush", "query", "admin", "read"] : use => try(aws_secretsmanager_secret.url[use].arn, null)
  } : var.database.url_secret_arns
  redis_url_secret = local.own_redis ? aws_secretsmanager_secret.url["redis"].arn : var.redis.url_secret_arn
}

resource "aws_secretsmanager_secret" "url" {
  #checkov:skip=CKV2_AWS_57:`passwords_version` rotates all of them at once, database and Redis included; a rotation of the secret alone would lock the functions out
  for_each = local.made_urls

  name        = "${var.name}/url/${each.key}"
  description = "URL of ${each.key == "redis" ? "Redis" : "the database for ${each.key}"}"
  kms_key_id  = aws_kms_key.main.arn
  # What is to be destroyed for good can be made anew at once.
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "url" {
  for_each = local.made_urls

  secret_id                = aws_secretsmanager_secret.url[each.key].id
  secret_string_wo         = local.url[each.key]
  secret_string_wo_version = var.passwords_version
}
