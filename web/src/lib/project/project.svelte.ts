/** The project that is served: its endpoints, asked for anew when its files are taken up. */
import { ask } from '../live/ask.ts';
import { endpointsOf, hasCity, type Described, type Endpoint } from './endpoints.ts';

class Project {
	endpoints = $state.raw<readonly Endpoint[]>([]);
	/** Whether it has been asked for once, with whatever outcome. */
	asked = $state(false);
	city = $derived(hasCity(this.endpoints));

	async load(): Promise<void> {
		try {
			this.endpoints = endpointsOf(await ask<Described>('/openapi.json'));
		} catch {
			// Nothing answers: the stream says so, and this is asked again once it is up.
		}
		this.asked = true;
	}
}

export const project = new Project();
