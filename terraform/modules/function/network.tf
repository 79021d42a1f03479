# Only the balancer reaches the function, and only on its port. It reaches AWS' own services over TLS, and what its entry
# names: a function without a database has no way to one.

resource "aws_security_group" "function" {
  #checkov:skip=CKV2_AWS_5:attached to the service, the schedule or the Lambda function, whichever the runtime makes
  name        = local.full_name
  description = "The function ${var.name}"
  vpc_id      = var.network.vpc_id

  tags = { Name = local.full_name }
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  count = local.is_service && local.is_routed ? 1 : 0

  security_group_id            = aws_security_group.function.id
  description                  = "Requests"
  referenced_security_group_id = var.balancer.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "from_balancer" {
  count = local.is_service && local.is_routed ? 1 : 0

  security_group_id            = var.balancer.security_group_id
  description                  = "Requests to ${var.name}"
  referenced_security_group_id = aws_security_group.function.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "to_aws" {
  security_group_id = aws_security_group.function.id
  description       = "Images, secrets, logs and metrics"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "to" {
  for_each = var.reaches

  security_group_id            = aws_security_group.function.id
  description                  = "To ${each.key}"
  referenced_security_group_id = each.value.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "into" {
  for_each = var.reaches

  security_group_id            = each.value.security_group_id
  description                  = "From ${var.name}"
  referenced_security_group_id = aws_security_group.function.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}
