"""Between agent and environments: acting, exploring, storing, evaluating."""
