"""Maps through Message Batches at half price: packed, submitted, polled, collected and adopted."""
