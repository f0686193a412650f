/** What the page of dead letters knows; all of it hangs on the address. */
import { page } from '$app/state';
import { Document } from '../live/document.svelte.ts';
import { live } from '../live/store.svelte.ts';
import type { DeadLetters } from '../live/types.ts';
import { chosen, fateOf, filterOf, listUrl, type Group, type Outlook, type Replaying } from './letters.ts';

const SHOWN = 50;
const EVERY_MS = 5_000;
const RUNNING_MS = 400;

class Desk {
	groups = new Document<{ groups: readonly Group[] }>();
	letters = new Document<DeadLetters>();
	outlook = new Document<Outlook>();
	replaying = new Document<Replaying>();

	#adopted = $derived(live.status?.adopted);
	#running = $derived(this.replaying.value?.running ?? false);
	filter = $derived(filterOf(page.url.searchParams));
	all = $derived(this.groups.value?.groups ?? []);
	chosen = $derived(chosen(this.all, this.filter));
	rows = $derived(this.chosen.reduce((all, group) => all + group.rows, 0));
	fate = $derived(this.outlook.value && fateOf(this.outlook.value, this.filter));

	/** Follows all of it; to be called in an effect, anew when the filter changes. */
	follow(): () => void {
		// Files that were taken up, and applied: the judgement of the same records may be another one.
		void this.#adopted;
		const ends = [
			this.groups.follow('/v1/dead-letters/groups', EVERY_MS),
			this.letters.follow(listUrl(this.filter, SHOWN), EVERY_MS),
			// While they are replayed nobody can tell what would become of them.
			...(this.#running ? [] : [this.outlook.follow('/v1/dead-letters/outlook', 2 * EVERY_MS)]),
			this.replaying.follow('/v1/dead-letters/replay', EVERY_MS)
		];
		return () => ends.forEach((end) => end());
	}

	/** Looks often at how far a replay is; returns the function that ends it. */
	watch(): () => void {
		return this.replaying.follow('/v1/dead-letters/replay', RUNNING_MS);
	}

	refresh(): void {
		for (const one of [this.groups, this.letters, this.outlook, this.replaying]) void one.refresh();
	}
}

export const desk = new Desk();
