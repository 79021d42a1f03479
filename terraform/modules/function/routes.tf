# The paths that the balancer sends here. A pattern's * also matches further segments; what the function does not know
# below its route, it answers with 404 itself.

locals {
  # Four patterns to a rule, of the five that the balancer allows: a route with and without its trailing slash.
  exact   = chunklist(sort([for route in var.definition.routes : route if !strcontains(route, "{")]), 2)
  placed  = chunklist(sort([for route in var.definition.routes : route if strcontains(route, "{")]), 2)
  upgrade = chunklist(sort(var.definition.upgrades), 2)

  # A priority that follows from the rule's own paths stays as it is while functions come and go. Exact routes come
  # before those with a placeholder, and these before the WebSockets that any path may ask for.
  rules = {
    for rule in concat(
      [for routes in local.exact : { routes = routes, first = 1, upgrade = false }],
      [for routes in local.placed : { routes = routes, first = 20001, upgrade = false }],
      [for routes in local.upgrade : { routes = routes, first = 40001, upgrade = true }],
    ) :
    join(" ", rule.routes) => {
      priority = rule.first + parseint(substr(sha256(join(" ", rule.routes)), 0, 8), 16) % 9999
      upgrade  = rule.upgrade
      paths = distinct(flatten([
        for route in rule.routes : [
          replace(route, "/\\{[^}]*\\}/", "*"),
          "${trimsuffix(replace(route, "/\\{[^}]*\\}/", "*"), "/")}/",
        ]
      ]))
    }
  }
}

resource "aws_lb_target_group" "function" {
  #checkov:skip=CKV_AWS_378:TLS ends at the balancer; behind it the functions speak HTTP inside the private subnets, to nobody but the balancer
  count = local.is_routed ? 1 : 0

  vpc_id      = local.is_lambda ? null : var.network.vpc_id
  target_type = local.is_lambda ? "lambda" : "ip"
  port        = local.is_lambda ? null : local.port
  protocol    = local.is_lambda ? null : "HTTP"
  # Only then comes SIGTERM, upon which requests under way are finished and WebSockets closed in waves.
  deregistration_delay               = local.is_lambda ? null : 5
  load_balancing_algorithm_type      = local.is_lambda ? null : "least_outstanding_requests"
  lambda_multi_value_headers_enabled = local.is_lambda ? true : null

  dynamic "health_check" {
    for_each = local.is_service ? [1] : []

    content {
      # Not /readyz: a function that waits for its database must not be replaced by one that waits, too.
      path                = "/healthz"
      interval            = 10
      timeout             = 5
      healthy_threshold   = 2
      unhealthy_threshold = 3
    }
  }

  tags = { Name = local.full_name }

  # A rule cannot lose its target; so the name, of which there is only one, is left to AWS.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener_rule" "function" {
  for_each = local.rules

  listener_arn = var.balancer.listener_arn
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.function[0].arn
  }

  condition {
    path_pattern {
      values = each.value.paths
    }
  }
  dynamic "condition" {
    for_each = each.value.upgrade ? [1] : []

    content {
      http_header {
        http_header_name = "Upgrade"
        values           = ["websocket"]
      }
    }
  }

  tags = { Name = "${var.name} ${each.key}" }
}
