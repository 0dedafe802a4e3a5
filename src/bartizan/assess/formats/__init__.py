"""Files of rows, each kind read by itself: what they hold, as plain arrays, within bounds that are said."""
