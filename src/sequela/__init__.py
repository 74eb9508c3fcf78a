"""Sequela: what follows, forecast from the irregular histories of patients."""
