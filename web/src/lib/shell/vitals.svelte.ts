/** What the head of every page says: how old, how well, and what time it is at the server. */
import { HEARTBEAT } from '../city/tiles.ts';
import { clock } from '../live/clock.svelte.ts';
import { ageOf, landedAge, serverTime } from '../live/freshness.ts';
import { health, STOPPED_AFTER_MS } from '../live/health.ts';
import { live } from '../live/store.svelte.ts';
import { project } from '../project/project.svelte.ts';

class Vitals {
	#heartbeat = $derived(live.tiles[HEARTBEAT]);

	/** Age of the newest row on screen, else of the newest that landed, in ms. */
	ageMs = $derived(ageOf(this.#heartbeat, clock.now) ?? landedAge(live.status, live.statusAt, clock.now));
	/** The server's clock in whole seconds, as epoch ms. */
	now = $derived(Math.floor(serverTime(live.status, live.statusAt, clock.now) / 1000) * 1000);
	health = $derived(
		health({
			phase: live.phase,
			status: live.status,
			ageMs: this.ageMs,
			retryMs: live.retryAt - clock.now,
			stoppedAfterMs: project.city ? STOPPED_AFTER_MS : null
		})
	);
}

export const vitals = new Vitals();
