/** The statements that are kept under names, in the platform's store. */
import { lineOf, troubleOf } from '../live/ask.ts';
import { forget, save, saved } from './service.ts';
import { NO_WISH, type Wish } from './drawing.ts';
import { VIEWS, type SavedQuery } from './types.ts';
import { session } from './session.svelte.ts';

class Kept {
	queries = $state.raw<readonly SavedQuery[]>([]);
	problem = $state('');

	async load(): Promise<void> {
		try {
			this.queries = await saved();
			this.problem = '';
		} catch (error) {
			this.problem = lineOf(troubleOf(error));
		}
	}

	/** Gives why it was not kept; empty where it was. */
	async save(name: string, query: Pick<SavedQuery, 'sql' | 'database' | 'settings'>): Promise<string> {
		try {
			await save(name, query);
		} catch (error) {
			return lineOf(troubleOf(error));
		}
		await this.load();
		return '';
	}

	async forget(name: string): Promise<void> {
		try {
			await forget(name);
		} catch (error) {
			this.problem = lineOf(troubleOf(error));
		}
		await this.load();
	}

	/** Opens one as it was kept, and runs it. */
	open({ sql, database, settings }: SavedQuery): void {
		const wish = { ...NO_WISH, ...(settings.wish as Partial<Wish> | undefined) };
		session.take(sql, database, settings.params as Record<string, string> | undefined, wish);
		session.view = VIEWS.find((one) => one === settings.view) ?? 'table';
		void session.run();
	}
}

export const kept = new Kept();
