"""The method `ms-ssfnet`: estimators, network, data consistency, uncertainty."""
