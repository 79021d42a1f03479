-- After network states of nodes ($1) that are older than a time ($2) were removed: their newest report is one that is left.
SELECT renew_reputation_reports($1, $2)
