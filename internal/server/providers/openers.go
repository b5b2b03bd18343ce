package providers

// openers returns what opens each kind of service.
func openers() map[string]opener {
	return map[string]opener{}
}
