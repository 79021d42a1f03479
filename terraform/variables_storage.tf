variable "database" {
  description = "A PostgreSQL of yours (15 or newer; RDS, Aurora or any other): its security group, port, and the ARNs of secrets that hold a DATABASE_URL each, for the owner and the roles tetcore_flush, tetcore_query and tetcore_admin, and optionally for reading from a replica. Null makes one."
  type = object({
    security_group_id = string
    port              = optional(number, 5432)
    url_secret_arns = object({
      owner = string
      flush = string
      query = string
      admin = string
      read  = optional(string)
    })
  })
  default = null
}

variable "database_size" {
  description = "Size of the database that is made: instance class, first and largest storage in GiB, a standby in another zone, replicas that queries read from, days of backups."
  type = object({
    instance_class      = optional(string, "db.m7g.large")
    engine_version      = optional(string, "15")
    storage_gib         = optional(number, 100)
    storage_max_gib     = optional(number, 1000)
    multi_az            = optional(bool, true)
    read_replicas       = optional(number, 0)
    backup_days         = optional(number, 7)
    monitoring_interval = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.database_size.storage_max_gib >= var.database_size.storage_gib && var.database_size.storage_gib >= 20
    error_message = "database_size: storage_gib must be at least 20, and storage_max_gib at least storage_gib."
  }
  validation {
    condition     = var.database_size.backup_days >= 1 && var.database_size.backup_days <= 35
    error_message = "database_size: keep backups for 1 to 35 days; without them there is no way back to a point in time, and no replica."
  }
  validation {
    condition     = var.database_size.read_replicas >= 0 && var.database_size.read_replicas <= 5
    error_message = "database_size: use 0 to 5 read replicas."
  }
}

variable "redis" {
  description = "A Redis or Valkey of yours: its security group, port, and the ARN of the secret that holds its REDIS_URL (`rediss://` for TLS). It must refuse writes when full (noeviction). Null makes one."
  type = object({
    security_group_id = string
    port              = optional(number, 6379)
    url_secret_arn    = string
  })
  default = null
}

variable "redis_size" {
  description = "Size of the Valkey that is made: node type, replicas of each shard, and shards; more than one makes it a cluster."
  type = object({
    node_type      = optional(string, "cache.m7g.large")
    engine_version = optional(string, "8.0")
    replicas       = optional(number, 1)
    shards         = optional(number, 1)
    snapshot_days  = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.redis_size.replicas >= 1 && var.redis_size.replicas <= 5
    error_message = "redis_size: use 1 to 5 replicas, so that messages on their way survive the loss of a node."
  }
  validation {
    condition     = var.redis_size.shards >= 1 && var.redis_size.shards <= 500
    error_message = "redis_size: use 1 to 500 shards."
  }
}

variable "passwords_version" {
  description = "Raise it by one for new passwords of database and Redis, then run migrate; also after an apply that was interrupted while it made them."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.passwords_version >= 1 && floor(var.passwords_version) == var.passwords_version
    error_message = "passwords_version: use a whole number, 1 at first."
  }
}

variable "psql_image" {
  description = "Image that sets the roles' passwords after migrate; null: the image `roles` beside those of the functions."
  type        = string
  default     = null
}
