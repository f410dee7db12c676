package guard

// NewCgroup is newCgroup; kill and remove are the cgroup's methods.
func NewCgroup() (folder string, kill, remove func(), err error) {
	c, err := newCgroup()
	return string(c), c.kill, c.remove, err
}
