"""The method `guided`: regression on the MS bands, its parameters selected on the pair."""
