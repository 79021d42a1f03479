# The least that has to be said: an image, a certificate, who may connect. VPC, database and Redis are made.

provider "aws" {
  region = "eu-central-1"
}

module "tetcore" {
  source = "../.."

  image_prefix    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tetcore/"
  image_tag       = "1.0.0"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  allowed_cidrs   = ["203.0.113.0/24"]
}

output "host" {
  description = "Point your host name at it."
  value       = module.tetcore.host
}

output "migrate_command" {
  description = "Run it once now, and before every upgrade."
  value       = module.tetcore.migrate_command
}
