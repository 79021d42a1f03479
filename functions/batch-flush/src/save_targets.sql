-- Saves which types of messages ($3) name which targets ($4), kept for ever or not ($1), in which hours ($2).
SELECT note_log_targets($1, $2, $3, $4)
