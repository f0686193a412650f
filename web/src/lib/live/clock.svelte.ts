/** A monotonic clock that components can watch: four ticks a second while the tab is seen. */

const TICK_MS = 250;

class Clock {
	now = $state(performance.now());

	/** Starts ticking; returns the function that stops it. */
	start(): () => void {
		const timer = setInterval(() => {
			if (!document.hidden) this.now = performance.now();
		}, TICK_MS);
		return () => clearInterval(timer);
	}
}

export const clock = new Clock();
