"""TrueNorth students at work: bit-packed inference (`packed`) and the chip tick by tick (`simulator`)."""
