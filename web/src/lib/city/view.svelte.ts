/** What several parts of the page ask about the city, worked out once. */
import { clock } from '../live/clock.svelte.ts';
import { first } from '../live/columns.ts';
import { ageOf, serverTime } from '../live/freshness.ts';
import { health } from '../live/health.ts';
import { live } from '../live/store.svelte.ts';
import { homesOf } from './homes.ts';
import { needsOf } from './needs.ts';
import { ENERGY, HEARTBEAT, HOMES } from './tiles.ts';

class CityView {
	heartbeat = $derived(live.tiles[HEARTBEAT]);
	energy = $derived(live.tiles[ENERGY]);
	homesTile = $derived(live.tiles[HOMES]);
	homes = $derived(homesOf(this.homesTile?.columns));
	homesById = $derived(new Map(this.homes.map((home) => [home.id, home])));

	/** Age of the newest row on screen, in ms. */
	ageMs = $derived(ageOf(this.heartbeat, clock.now));
	/** The server's clock in whole seconds, as epoch ms. */
	now = $derived(Math.floor(serverTime(this.heartbeat, clock.now) / 1000) * 1000);
	health = $derived(
		health({
			phase: live.phase,
			status: live.status,
			ageMs: this.ageMs,
			retryMs: live.retryAt - clock.now
		})
	);
	needs = $derived(
		needsOf({
			status: live.status,
			deadLetters: live.deadLetters,
			heartbeat: this.heartbeat,
			homes: this.homes,
			now: this.now
		})
	);

	/** A figure of the heartbeat. */
	figure(name: string): number | null {
		return first(this.heartbeat?.columns, name);
	}
}

export const city = new CityView();
