/**
 * Whether this page may act. A link of `penstock open` carries a code behind its `#`, which is sent
 * nowhere but to `POST /v1/session`, and taken out of the address before. What comes back is a
 * cookie that no script sees, and a token that no other origin sees: an act needs both.
 */
import { ask, troubleOf, type Trouble } from '../live/ask.ts';
import type { components } from '../live/api.ts';

type Told = components['schemas']['Session'];

const CODE = /^#once=([\w-]+)$/;
const KEPT = 'penstock-token';
const TOKEN_HEADER = 'X-Penstock-Token';

class Session {
	mayAct = $state(false);
	/** Prints a link that lets a page act. */
	command = $state('penstock open');
	/** What came of the link that this page was opened with. */
	opened = $state.raw<'yes' | Trouble | null>(null);

	async start(): Promise<void> {
		const [, code] = CODE.exec(location.hash) ?? [];
		if (!code) return this.look();
		history.replaceState(history.state, '', location.pathname + location.search);
		try {
			const told = await ask<Told & { token: string }>('/v1/session', { method: 'POST', body: JSON.stringify({ once: code }) });
			localStorage.setItem(KEPT, told.token);
			this.#take(told);
			this.opened = 'yes';
		} catch (caught) {
			this.opened = troubleOf(caught);
			await this.look();
		}
	}

	/** Asks the platform to do something. Throws `Trouble`. */
	async act<T>(path: string, body: object): Promise<T> {
		try {
			return await ask<T>(path, { method: 'POST', body: JSON.stringify(body), headers: this.#headers() });
		} catch (caught) {
			await this.look(); // it may have ended meanwhile
			throw caught;
		}
	}

	/** Asks whether it may; to be asked again when the platform is back. */
	async look(): Promise<void> {
		try {
			this.#take(await ask<Told>('/v1/session', { headers: this.#headers() }));
		} catch {
			this.mayAct = false; // nothing answers: the stream says so
		}
	}

	#take(told: Told): void {
		this.mayAct = told.may_act;
		this.command = told.command;
		if (!told.may_act) localStorage.removeItem(KEPT);
	}

	#headers(): Record<string, string> {
		return { [TOKEN_HEADER]: localStorage.getItem(KEPT) ?? '' };
	}
}

export const session = new Session();
