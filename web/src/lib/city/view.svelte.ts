/** What several parts of the page ask about the city, worked out once. */
import { first } from '../live/columns.ts';
import { comparison } from './energy.ts';
import { live } from '../live/store.svelte.ts';
import { vitals } from '../shell/vitals.svelte.ts';
import { homesOf } from './homes.ts';
import { cityNeeds } from './needs.ts';
import { countsOf, firingOf, oddOf, type Known } from './states.ts';
import { ENERGY, HEARTBEAT, HOMES, ODD } from './tiles.ts';

class CityView {
	heartbeat = $derived(live.tiles[HEARTBEAT]);
	energy = $derived(live.tiles[ENERGY]);
	homesTile = $derived(live.tiles[HOMES]);
	homes = $derived(homesOf(this.homesTile?.columns));
	homesById = $derived(new Map(this.homes.map((home) => [home.id, home])));
	/** What is known of homes beside their readings. */
	known = $derived<Known>({ firing: firingOf(live.needed), odd: oddOf(live.tiles[ODD]?.columns) });
	counts = $derived(countsOf(this.homes, this.known, vitals.now));
	needs = $derived(cityNeeds(this.heartbeat, this.homes, this.known, vitals.now));

	/** How the last quarter of an hour compares with yesterday's; nothing while that is being filled in. */
	compared = $derived(live.status?.history ? null : comparison(this.figure('kw_15m'), this.figure('kw_15m_yesterday')));

	/** A figure of the heartbeat. */
	figure(name: string): number | null {
		return first(this.heartbeat?.columns, name);
	}
}

export const city = new CityView();
