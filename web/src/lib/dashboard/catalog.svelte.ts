/** The dashboards of the project, asked for anew when its files are taken up. */
import type { components } from '../live/api.ts';
import { ask, troubleOf, type Trouble } from '../live/ask.ts';
import type { Dashboard } from './types.ts';

class Catalog {
	dashboards = $state.raw<readonly Dashboard[]>([]);
	/** Whether it has been asked for once, with whatever outcome. */
	asked = $state(false);
	/** Why the last asking gave nothing; what came before stays. */
	trouble = $state.raw<Trouble | null>(null);

	async load(): Promise<void> {
		try {
			this.dashboards = (await ask<components['schemas']['Dashboards']>('/v1/dashboards')).dashboards;
			this.trouble = null;
		} catch (caught) {
			this.trouble = troubleOf(caught); // and it is asked again once the stream is up
		}
		this.asked = true;
	}

	find(domain: string, name: string): Dashboard | undefined {
		return this.dashboards.find((one) => one.domain === domain && one.name === name);
	}
}

export const catalog = new Catalog();
