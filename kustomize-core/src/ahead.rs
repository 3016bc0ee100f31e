//! Asks for memory that is needed soon. A few thousand resources do not fit
//! into the processor's cache, and a build of them would wait for memory a fifth
//! of its time if it did not have the next ones fetched while it works on one.

use crate::resource::Resource;

/// What the processor fetches at a time, in bytes.
const LINE: usize = 64;

/// How many resources before its turn one is fetched: by then, memory has answered.
const DISTANCE: usize = 4;

/// The resources in turn, with those after them on their way.
pub(crate) fn each(resources: &[Resource]) -> impl ExactSizeIterator<Item = &Resource> {
    resources.iter().enumerate().inspect(|(at, _)| fetch_after(resources, *at)).map(|(_, resource)| resource)
}

/// As [`each`] for those who look at nothing but ids.
pub(crate) fn each_id(resources: &[Resource]) -> impl ExactSizeIterator<Item = &Resource> {
    let fetch_after = move |at: usize| resources.get(at + DISTANCE).into_iter().for_each(Resource::fetch);
    resources.iter().enumerate().inspect(move |(at, _)| fetch_after(*at)).map(|(_, resource)| resource)
}

/// To be called when it is the turn of the resource at `at`.
pub(crate) fn fetch_after(resources: &[Resource], at: usize) {
    // Where the rest of a resource is has to be there before that can be asked for.
    if let Some(resource) = resources.get(at + 2 * DISTANCE) {
        resource.fetch();
    }
    if let Some(resource) = resources.get(at + DISTANCE) {
        resource.fetch_rest();
    }
}

/// Asks for all of these.
pub(crate) fn fetch<T>(items: &[T]) {
    items.iter().step_by((LINE / size_of::<T>()).max(1)).for_each(fetch_line);
}

/// Asks for what begins here.
#[cfg(target_arch = "x86_64")]
pub(crate) fn fetch_line<T>(item: &T) {
    safe_arch::prefetch_t0(item);
}

/// Other processors are not asked.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn fetch_line<T>(_: &T) {}
