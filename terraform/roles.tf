# Migrations make the roles; what runs after them in the same task gives the roles their passwords, out of the same
# secrets that the functions read. A database of yours has its passwords from you.

locals {
  roles_sidecar = !local.own_database ? null : {
    name  = "roles"
    image = var.psql_image != null ? var.psql_image : "${var.image_prefix}roles:${var.image_tag}"
    secrets = {
      for setting, use in { OWNER_URL = "owner", FLUSH_URL = "flush", QUERY_URL = "query", ADMIN_URL = "admin" } :
      setting => aws_secretsmanager_secret.url[use].arn
    }
  }
}
