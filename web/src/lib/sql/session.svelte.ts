/** The one statement that the page is about: its text, whether it runs, what came of it. */
import { troubleOf } from '../live/ask.ts';
import { MOST_ROWS, cancel, file, functions, progress, run, schema } from './service.ts';
import { remember, remembered, withStatement, type Past } from './past.ts';
import { NO_WISH, type Wish } from './drawing.ts';
import { estimatesOf, planOf, type Estimate, type Step } from './plan.ts';
import { paramsOf } from './scan.ts';
import type { Answer, Asked, Progress, Schema, SqlFunction, SqlProblem, View } from './types.ts';

/** Answers that come sooner need no bar. */
const PATIENCE_MS = 350;
const AGAIN_MS = 400;

export interface Explained {
	steps: Step[];
	estimates: Estimate[];
	pipeline: string;
}

interface Running {
	id: string;
	since: number;
	progress: Progress | null;
	stop: AbortController;
	cancelled: boolean;
}

class Session {
	sql = $state('');
	database = $state('');
	view = $state<View>('table');
	wish = $state.raw<Wish>(NO_WISH);
	/** Values by name, also of parameters that the statement does not have now. */
	values = $state<Record<string, string>>({});

	schema = $state.raw<Schema | null>(null);
	schemaProblem = $state.raw<SqlProblem | null>(null);
	functions = $state.raw<readonly SqlFunction[]>([]);

	running = $state<Running | null>(null);
	answer = $state.raw<Answer | null>(null);
	explained = $state.raw<Explained | null>(null);
	problem = $state.raw<SqlProblem | null>(null);
	/** What `answer`, `explained` and `problem` are about. */
	asked = $state.raw<Asked | null>(null);
	past = $state.raw<readonly Past[]>(remembered());

	params = $derived(paramsOf(this.sql));
	now = $derived<Asked>({
		sql: this.sql,
		database: this.database,
		params: Object.fromEntries(this.params.map(({ name }) => [name, this.values[name] ?? '']))
	});
	/** The answer is that of another text than the one that stands there now. */
	stale = $derived(this.asked !== null && JSON.stringify(this.asked) !== JSON.stringify(this.now));

	async load(): Promise<void> {
		try {
			this.schema = await schema();
			this.schemaProblem = null;
			const databases = this.schema.relations.map((one) => one.database);
			if (!this.database) this.database = databases[0] ?? '';
			if (this.functions.length === 0) this.functions = await functions();
		} catch (error) {
			this.schemaProblem = troubleOf(error);
		}
	}

	/** Runs what stands there, or explains it where that is what is looked at. */
	async run(): Promise<void> {
		if (!this.sql.trim() || this.schema?.open === false) return;
		await this.cancel();
		const asked = this.now;
		const explains = this.view === 'explain';
		const stop = new AbortController();
		this.running = { id: newId(), since: performance.now(), progress: null, stop, cancelled: false };
		const running = this.running;
		this.past = withStatement(this.past, { sql: asked.sql, database: asked.database, at: Date.now() });
		remember(this.past);
		void this.#watch(running);
		try {
			const [answer, explained] = explains ? [null, await explainedBy(asked, running.id, stop.signal)] : [await run(asked, running.id, stop.signal), null];
			if (this.running !== running) return;
			[this.answer, this.explained, this.problem, this.asked] = [answer, explained, null, asked];
		} catch (error) {
			if (this.running !== running) return;
			// What was there before stays in sight: it was asked for, and is still true of its time.
			this.problem = running.cancelled ? { title: 'Cancelled', detail: 'the statement was ended, and nothing of it runs any more', next: 'run it again, or narrow it' } : troubleOf(error);
			this.asked = asked;
		} finally {
			if (this.running === running) this.running = null;
		}
	}

	/** Ends what runs; false where nothing does. */
	async cancel(): Promise<boolean> {
		const { running } = this;
		if (!running) return false;
		running.cancelled = true;
		// An explanation is several short statements: those end when nobody waits for them.
		if (this.view === 'explain') running.stop.abort();
		else await cancel(running.id).catch(() => running.stop.abort());
		return true;
	}

	/** The page is left: nobody waits for the answer. */
	leave(): void {
		this.running?.stop.abort();
		this.running = null;
	}

	/** Looks at the answer in another way; what has not been asked for yet is. */
	look(view: View): void {
		this.view = view;
		const missing = view === 'explain' ? !this.explained : !this.answer;
		if (this.asked && (missing || this.stale)) void this.run();
	}

	/** Begins anew with another statement. */
	take(sql: string, database: string, values: Readonly<Record<string, string>> = {}, wish: Wish = NO_WISH): void {
		this.sql = sql;
		if (database) this.database = database;
		this.values = { ...this.values, ...values };
		this.wish = wish;
		this.answer = this.explained = this.problem = this.asked = null;
	}

	async download(format: string): Promise<void> {
		const asked = this.asked ?? this.now;
		try {
			const link = document.createElement('a');
			link.href = URL.createObjectURL(await file(asked, format));
			link.download = `penstock.${format === 'compact' || format === 'columns' ? 'json' : format}`;
			link.click();
			setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
		} catch (error) {
			this.problem = troubleOf(error);
		}
	}

	async #watch(running: Running): Promise<void> {
		await pause(PATIENCE_MS);
		while (this.running === running) {
			const found = await progress(running.id).catch(() => null);
			if (found && found.state !== 'ended') running.progress = found;
			await pause(AGAIN_MS);
		}
	}
}

async function explainedBy(asked: Asked, id: string, signal: AbortSignal): Promise<Explained> {
	const plan = await run(asked, id, signal, 'plan');
	const estimate = await run(asked, `${id}e`, signal, 'estimate');
	const pipeline = await run(asked, `${id}p`, signal, 'pipeline');
	return { steps: planOf(plan), estimates: estimatesOf(estimate), pipeline: pipeline.rows.map(([line]) => String(line)).join('\n') };
}

function pause(ms: number): Promise<void> {
	return new Promise((done) => setTimeout(done, ms));
}

function newId(): string {
	return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const session = new Session();
export { MOST_ROWS };
