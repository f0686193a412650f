/** The dashboards of the project, asked for anew when its files are taken up. */
import type { components } from '../live/api.ts';
import type { Dashboard } from './types.ts';

class Catalog {
	dashboards = $state.raw<readonly Dashboard[]>([]);
	/** Whether it has been asked for once, with whatever outcome. */
	asked = $state(false);

	async load(): Promise<void> {
		try {
			const answer = await fetch('/v1/dashboards');
			if (answer.ok) this.dashboards = ((await answer.json()) as components['schemas']['Dashboards']).dashboards;
		} catch {
			// Nothing answers: the stream says so, and this is asked again once it is up.
		}
		this.asked = true;
	}

	find(domain: string, name: string): Dashboard | undefined {
		return this.dashboards.find((one) => one.domain === domain && one.name === name);
	}
}

export const catalog = new Catalog();
