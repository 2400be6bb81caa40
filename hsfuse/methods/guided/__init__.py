"""The method `guided`: regression on the MS bands, with parameters selected on the pair."""
