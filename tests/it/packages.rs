//! Signed model packages, from making one to running it, and what is refused on the way.

use vedette::model::hostile;

use crate::support::data;

#[test]
fn detectors_that_people_really_use_pass_the_checks_of_hostile_files() {
    let Some(folder) = data::find("models") else { return };
    let mut looked_at = 0;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "onnx") {
                let checked = hostile::check(&std::fs::read(&path).unwrap());
                assert_eq!(checked, Ok(()), "{}", path.display());
                looked_at += 1;
            }
        }
    }
    assert!(looked_at >= 7, "only {looked_at} models were found");
}
