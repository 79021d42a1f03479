variable "programs" {
  description = "Folder of the functions' programs; null: the release build of this checkout."
  type        = string
  default     = null
}

variable "state" {
  description = "Folder for what runs: data, logs, process ids. It must not exist yet; destroying removes it."
  type        = string
  default     = "/tmp/tetcore-local"
  nullable    = false

  validation {
    condition     = startswith(var.state, "/") && length(var.state) > 1
    error_message = "state: give an absolute path of a folder that is this deployment's alone."
  }
}

variable "first_port" {
  description = "First of some 32 ports on loopback that are used; the balancer listens on this one."
  type        = number
  default     = 18080
  nullable    = false

  validation {
    condition     = var.first_port >= 1024 && var.first_port <= 65000
    error_message = "first_port: use a port from 1024 to 65000."
  }
}

variable "database_url" {
  description = "URL of a PostgreSQL of yours, as the owner of its database, which all functions then log in as; null starts one."
  type        = string
  default     = null
  sensitive   = true
}

variable "redis_url" {
  description = "URL of a Redis of yours; null starts one."
  type        = string
  default     = null
  sensitive   = true
}

variable "functions" {
  description = "Changes to entries of functions.json by the function's name, as in the cloud."
  type = map(object({
    environment = optional(map(string))
  }))
  default  = {}
  nullable = false
}
