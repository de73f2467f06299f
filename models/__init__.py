"""Hand model, network, camera and light in torch. Never imports `app`."""
