//! Users and groups as `/etc/passwd` and `/etc/group` have them. A static binary can't ask the name-service switch, and a
//! testbed has no users elsewhere.

use std::fs;

use preflight_guest_protocol::message::FailureKind;

use crate::failure::Refusal;

/// A user that commands run as and files belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// Looks a user up by name.
pub(crate) fn find(name: &str) -> Result<User, Refusal> {
    let passwd = fs::read("/etc/passwd").map_err(Refusal::io("/etc/passwd"))?;
    let group = fs::read("/etc/group").unwrap_or_default();
    find_in(
        name,
        &String::from_utf8_lossy(&passwd),
        &String::from_utf8_lossy(&group),
    )
    .ok_or_else(|| Refusal::plain(FailureKind::UnknownUser, format!("the guest has no user {name:?}")))
}

fn find_in(name: &str, passwd: &str, group: &str) -> Option<User> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == name)?;
    let [_, _, uid, gid, _, home, shell] = fields[..] else {
        return None;
    };
    let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
    let mut groups = vec![gid];
    for line in group.lines() {
        let mut fields = line.split(':').skip(2);
        let (Some(Ok(id)), Some(members)) = (fields.next().map(str::parse), fields.next()) else {
            continue;
        };
        if id != gid && members.split(',').any(|member| member == name) {
            groups.push(id);
        }
    }
    Some(User {
        name: name.to_owned(),
        uid,
        gid,
        groups,
        home: home.to_owned(),
        shell: shell.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_comes_with_its_groups() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n# odd\nbuilder:x:1000:1001::/home/b:/bin/sh\n";
        let group = "root:x:0:\naudio:x:29:someone,builder\nodd\nbuilder:x:1001:builder\nkvm:x:x:builder\n";
        let user = find_in("builder", passwd, group).unwrap();
        assert_eq!((user.uid, user.gid, user.groups), (1000, 1001, vec![1001, 29]));
        assert_eq!(find_in("nobody", passwd, group), None);
    }
}
