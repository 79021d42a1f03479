SELECT claim_log_rows(array_agg({first} + id)) FROM senders;
