"""What a run is given: configuration, study CSV, measurements and patients."""
