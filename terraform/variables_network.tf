variable "network" {
  description = "A VPC of yours: private subnets with a way out to AWS' services, public ones for the balancer unless it is `internal`. Null makes one."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
    public_subnet_ids  = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.private_subnet_ids) >= 2
    error_message = "network: give private subnets in at least two availability zones."
  }
  validation {
    condition     = var.network == null ? true : var.internal || length(var.network.public_subnet_ids) >= 2
    error_message = "network: a public balancer needs public subnets in at least two availability zones; give them, or set `internal = true`."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made."
  type        = string
  default     = "10.42.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 4, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]), 32) <= 20
    error_message = "vpc_cidr: give a network such as 10.42.0.0/16, of /20 or larger."
  }
}

variable "availability_zones" {
  description = "Number of availability zones of the VPC that is made."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([2, 3], var.availability_zones)
    error_message = "availability_zones: set it to 2 or 3; a balancer needs two."
  }
}

variable "single_nat_gateway" {
  description = "One way out of the VPC that is made for all zones, rather than one each: cheaper, but gone with its zone."
  type        = bool
  default     = false
  nullable    = false
}

variable "internal" {
  description = "Whether the balancer has private addresses only."
  type        = bool
  default     = false
  nullable    = false
}

variable "allowed_cidrs" {
  description = "Networks that may connect: nodes, dashboards and people. For everyone, say so: `[\"0.0.0.0/0\"]`."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0
    error_message = "allowed_cidrs: name at least one network, such as [\"203.0.113.0/24\"], or nobody can connect; [\"0.0.0.0/0\"] lets everyone in."
  }
  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "allowed_cidrs: give networks in CIDR form, such as 203.0.113.7/32 for one address."
  }
  validation {
    condition     = var.internal || contains(keys(var.secret_arns), "INGEST_TOKENS") || alltrue([for cidr in var.allowed_cidrs : !endswith(cidr, "/0")])
    error_message = "allowed_cidrs: a balancer that is open to everyone needs `secret_arns = { INGEST_TOKENS = … }`, so that only your nodes can store messages."
  }
}

variable "certificate_arn" {
  description = "ARN of the certificate (ACM) that the balancer shows for your host name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:(acm|iam):.+$", var.certificate_arn))
    error_message = "certificate_arn: give the ARN of a certificate in ACM for the host name that nodes connect to."
  }
}

variable "access_logs_bucket" {
  description = "Name of an S3 bucket for the balancer's access logs, with the policy that they need; null: none are kept."
  type        = string
  default     = null
}
