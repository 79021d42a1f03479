# The one way in. Functions add their routes to the listener; what nobody answers is a 404 like any other of ours.

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "The load balancer"
  vpc_id      = local.network.vpc_id

  tags = { Name = "${var.name}-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.balancer.id
  description       = "Nodes and people"
  cidr_ipv4         = strcontains(each.key, ":") ? null : each.key
  cidr_ipv6         = strcontains(each.key, ":") ? each.key : null
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_lb" "main" {
  #checkov:skip=CKV_AWS_91:access logs go to a bucket of the account's, where `access_logs_bucket` names one; making it here would bind the logs' life to the deployment's
  #checkov:skip=CKV2_AWS_20:there is no listener on port 80 at all, since nodes do not follow redirects
  #checkov:skip=CKV2_AWS_28:a web application firewall inspects requests, not the frames of a WebSocket; allowed_cidrs and tokens decide who may connect
  name               = var.name
  load_balancer_type = "application"
  internal           = var.internal
  security_groups    = [aws_security_group.balancer.id]
  subnets            = local.balancer_subnet_ids
  # Far above HEARTBEAT_INTERVAL, so that only what is dead is cut.
  idle_timeout               = 120
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  # The address that a client claims is appended to, and ws-ingest believes the last one only.
  xff_header_processing_mode = "append"

  dynamic "access_logs" {
    for_each = var.access_logs_bucket == null ? [] : [var.access_logs_bucket]

    content {
      bucket  = access_logs.value
      enabled = true
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = var.certificate_arn
  # TLS 1.2 and 1.3.
  ssl_policy = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "application/json"
      status_code  = "404"
      message_body = jsonencode({
        type   = "about:blank"
        title  = "Not Found"
        status = 404
        detail = "No function answers this path."
      })
    }
  }
}
