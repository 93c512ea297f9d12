"""Dense networks as spiking ones: sources of trained weights, the conversion, its measures, and exchange formats."""
