/** A monotonic clock that components can watch: four ticks a second while the tab is seen. */

const TICK_MS = 250;
/** A timer that comes a little early still ticks. */
const SLACK_MS = 20;

class Clock {
	now = $state(performance.now());

	/** Starts ticking; returns the function that stops it. */
	start(): () => void {
		const timer = setInterval(() => {
			if (!document.hidden && performance.now() - this.now >= TICK_MS - SLACK_MS) this.tick();
		}, TICK_MS);
		return () => clearInterval(timer);
	}

	/** Moves on with something else that is drawn now, so that the page is not composed once more for it. */
	tick(): void {
		this.now = performance.now();
	}
}

export const clock = new Clock();
