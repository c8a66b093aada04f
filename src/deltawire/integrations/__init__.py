"""Drop-ins for other packages; each module needs its own package, and `import deltawire` needs none."""
