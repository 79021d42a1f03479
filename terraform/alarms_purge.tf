# Purge and compaction end after each run, so their figures are read from the summary that each writes as its last line. They
# share a log: a pattern names what only one of them has.

resource "aws_cloudwatch_log_metric_filter" "partitions_ahead" {
  name           = "${var.name}-partitions-ahead"
  log_group_name = module.function["purge-job"].log_group
  pattern        = "{ $.partitions_ahead_days = * }"

  metric_transformation {
    namespace = var.name
    name      = "purge_partition_days_ahead"
    value     = "$.partitions_ahead_days"
  }
}

resource "aws_cloudwatch_metric_alarm" "partitions_ahead" {
  alarm_name          = "${var.name}-partitions-ahead"
  alarm_description   = "Soon there is no partition for new messages; they would go to the one for wild clocks. The log of purge-job says what keeps it from making more."
  namespace           = var.name
  metric_name         = aws_cloudwatch_log_metric_filter.partitions_ahead.metric_transformation[0].name
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = var.alarm_thresholds.partition_days_ahead
  period              = 3600
  evaluation_periods  = 1
  # The next alarm speaks of a purge that does not run.
  treat_missing_data = "ignore"
  alarm_actions      = var.alarm_topic_arns
  ok_actions         = var.alarm_topic_arns
}

resource "aws_cloudwatch_log_metric_filter" "purge_completed" {
  name           = "${var.name}-purge-completed"
  log_group_name = module.function["purge-job"].log_group
  pattern        = "{ ($.complete IS TRUE) && ($.dry_run IS FALSE) }"

  metric_transformation {
    namespace = var.name
    name      = "purge_completed_runs"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "purge" {
  alarm_name          = "${var.name}-purge"
  alarm_description   = "No purge came to its end: it failed, or never started. Its log, and the schedule's metrics in AWS/Scheduler, say which."
  namespace           = var.name
  metric_name         = aws_cloudwatch_log_metric_filter.purge_completed.metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60 * var.alarm_thresholds.minutes_without_purge
  evaluation_periods  = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}

resource "aws_cloudwatch_log_metric_filter" "compaction_completed" {
  name           = "${var.name}-compaction-completed"
  log_group_name = module.function["purge-job"].log_group
  pattern        = "{ ($.complete IS TRUE) && ($.messages_packed = *) }"

  metric_transformation {
    namespace = var.name
    name      = "compaction_completed_runs"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "compaction" {
  alarm_name          = "${var.name}-compaction"
  alarm_description   = "No compaction came to its end: older messages keep their room on disk; nothing is lost. The log of purge-job, and the schedule's metrics in AWS/Scheduler, say why."
  namespace           = var.name
  metric_name         = aws_cloudwatch_log_metric_filter.compaction_completed.metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 3600 * var.alarm_thresholds.hours_without_compaction
  evaluation_periods  = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
