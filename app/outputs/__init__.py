"""Result files, one writer a file. Each appears under its name whole or not at all."""
