"""Arrays between processes: segments, headers, what locks them, and the Buffer over them."""
