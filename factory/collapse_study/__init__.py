"""The science of model collapse, reproduced: recursive fits against their closed forms, and language models trained on their own text."""
