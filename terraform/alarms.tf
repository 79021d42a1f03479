# What somebody must look at. Metrics of the functions come through the collector beside them, figures of purge-job out
# of its logs, all others from AWS itself.

locals {
  alarms = {
    backlog = {
      description = "Messages wait in Redis: batch-flush or the database is too slow, or down. When the queue is full, messages are dropped."
      namespace   = var.name
      metric      = "queue_oldest_seconds"
      dimensions  = { function = "batch-flush" }
      statistic   = "Maximum"
      threshold   = var.alarm_thresholds.backlog_s
      periods     = 5
      # A batch-flush that reports nothing flushes nothing.
      missing = "breaching"
    }
    dropped = {
      description = "Messages were lost for want of room in ws-ingest: its log and the label `reason` of ingest_dropped_messages_total say why."
      namespace   = var.name
      metric      = "ingest_dropped_messages_total"
      dimensions  = { function = "ws-ingest" }
      statistic   = "Sum"
      threshold   = 0
      periods     = 1
      missing     = "notBreaching"
    }
    rejected = {
      description = "Nodes send what cannot be stored: the table ingest_rejects holds samples with their reasons."
      namespace   = var.name
      metric      = "ingest_rejected_messages_total"
      dimensions  = { function = "ws-ingest" }
      statistic   = "Sum"
      threshold   = var.alarm_thresholds.rejected_messages
      periods     = 1
      missing     = "notBreaching"
    }
    server-errors = {
      description = "Functions answer with 5xx: while the database is away, queries do so with 503."
      namespace   = "AWS/ApplicationELB"
      metric      = "HTTPCode_Target_5XX_Count"
      dimensions  = { LoadBalancer = aws_lb.main.arn_suffix }
      statistic   = "Sum"
      threshold   = var.alarm_thresholds.server_errors
      periods     = 1
      missing     = "notBreaching"
    }
    balancer-errors = {
      description = "The balancer found no function that answers."
      namespace   = "AWS/ApplicationELB"
      metric      = "HTTPCode_ELB_5XX_Count"
      dimensions  = { LoadBalancer = aws_lb.main.arn_suffix }
      statistic   = "Sum"
      threshold   = var.alarm_thresholds.server_errors
      periods     = 1
      missing     = "notBreaching"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "main" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.periods == 1 ? 300 : 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}

# A figure since the database was made, so what counts is how much it grew.
resource "aws_cloudwatch_metric_alarm" "refused" {
  alarm_name          = "${var.name}-refused"
  alarm_description   = "PostgreSQL refused messages that ws-ingest had taken: the table ingest_rejects holds samples with their reasons."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns

  metric_query {
    id          = "growth"
    expression  = "DIFF(total)"
    label       = "Messages refused in 5 minutes"
    return_data = true
  }
  metric_query {
    id = "total"

    metric {
      namespace   = var.name
      metric_name = "database_rejected_messages"
      dimensions  = { function = "batch-flush" }
      stat        = "Maximum"
      period      = 300
    }
  }
}
