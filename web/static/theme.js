// Runs before the first paint: puts a remembered theme on <html>; without one the system decides.
try {
	var theme = localStorage.getItem('penstock-theme');
	if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch (_) {
	// Storage may be forbidden; the system's theme is then used.
}
